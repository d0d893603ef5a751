"""How RocksDB is set up, and why."""

from msgspec import Struct
from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompactionStyle,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    WriteOptions,
)

from .keys import FAMILIES

_BLOOM_BITS = 10
_LARGE = ("entries", "messages")
"""Families that hold most of the bytes: the large write buffers, and compressed."""
_RANDOM = ("entries", "members", "memberships", "sends")
"""Families that grow with every message, in no order, and are read by range or hardly ever found.

A write buffer that has outgrown the processor's caches costs several misses for each record that is inserted
(measured, with a million users: a fourth of all inserting). So theirs is in pieces, which are written to one file.
"""
_PIECES = 8
_PART = 16 * 2**10
"""Bytes of a filter or an index that are read at once."""
_MISSED = ("sends", "conversations", "heads", "members")
"""Families whose write buffer mostly lacks what is asked for: a filter for it too."""


class EmbeddedOptions(Struct, frozen=True, kw_only=True):
    """What can be set about the embedded store; sizes in bytes, times in seconds."""

    block_cache: int = 64 * 2**20
    """Memory for blocks that were read."""
    write_buffer: int = 16 * 2**20
    """Memory per large column family before it is written to a file; a fourth to a half of it for others."""
    wal_limit: int = 64 * 2**20
    """Write-ahead log to replay after a crash, at most: it bounds the time to start."""
    cached_heads: int = 2_000_000
    """Heads of timelines kept in memory: those of active users, at about 130 bytes each."""
    cached_members: int = 131_072
    """Members of conversations kept in memory."""
    client_id_ttl: int = 86_400
    """How long an idempotency key is remembered, at least."""


def database_options(options: EmbeddedOptions) -> tuple[Options, dict[str, Options]]:
    """Return the options of the database and of each column family."""
    cache = Cache(options.block_cache)
    database = Options(raw_mode=True)
    database.create_if_missing(True)
    database.create_missing_column_families(True)
    # A torn last record is a commit that was never acknowledged; anything else broken must not pass silently.
    database.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    database.set_max_total_wal_size(options.wal_limit)
    # One writer: nothing to coordinate.
    database.set_allow_concurrent_memtable_write(False)
    database.set_enable_write_thread_adaptive_yield(False)
    # Opening reads no table files that aren't asked for: the start does not grow with the data.
    database.set_max_open_files(2048)
    database.set_skip_stats_update_on_db_open(True)
    database.set_max_background_jobs(2)
    database.set_bytes_per_sync(2**20)
    database.set_keep_log_file_num(3)
    database.set_max_log_file_size(4 * 2**20)
    families = {}
    for name in FAMILIES:
        family = Options(raw_mode=True)
        buffer = options.write_buffer // (1 if name in _LARGE else 4)
        if name in _RANDOM:
            buffer = max(buffer, options.write_buffer // 2) // _PIECES
            family.set_min_write_buffer_number_to_merge(_PIECES)
            family.set_max_write_buffer_number(2 * _PIECES)
        family.set_write_buffer_size(buffer)
        # By size: merging by level writes each record many times over, and with a million users that took a third of
        # the processor. The price is room on the disk, as much again as there is, while everything is merged.
        family.set_compaction_style(DBCompactionStyle.universal())
        family.set_compression_type(DBCompressionType.lz4() if name in _LARGE else DBCompressionType.none())
        # What was just written is compressed when it is merged into the large levels, not before. (It takes the
        # compression that is set so far: in this order.)
        family.set_min_level_to_compress(2)
        family.set_level_zero_file_num_compaction_trigger(8)
        if name in _MISSED:
            family.set_memtable_whole_key_filtering(True)
            family.set_memtable_prefix_bloom_ratio(0.1)
        # Whoever sends or receives mostly has a head: a filter of the last level would only say that.
        family.set_optimize_filters_for_hits(name == "heads")
        table = BlockBasedOptions()
        table.set_block_cache(cache)
        # Every send looks for its idempotency key; those filters stay at hand, a few MB until they expire.
        table.set_cache_index_and_filter_blocks(name != "sends")
        table.set_pin_l0_filter_and_index_blocks_in_cache(True)
        if name != "sends":
            # In parts: the cache need not hold all of a file's filter for one look-up. Whole ones, of files with
            # half a million keys, were read again and again once there were more than the cache takes. Parts that
            # are too small are many, and to find one of many costs more than to read it.
            table.set_index_type(BlockBasedIndexType.two_level_index_search())
            table.set_partition_filters(True)
            table.set_metadata_block_size(_PART)
            table.set_pin_top_level_index_and_filter(True)
        table.set_format_version(5)
        if name != "entries":  # entries are read by range only
            table.set_bloom_filter(_BLOOM_BITS, False)
        family.set_block_based_table_factory(table)
        families[name] = family
    return database, families


def durable() -> WriteOptions:
    """Return the options of a write that is on the disk when it returns."""
    options = WriteOptions()
    options.sync = True
    return options
