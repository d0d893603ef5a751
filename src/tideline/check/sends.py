"""Idempotency records: each leads to a message of its sender, and to that message's entry."""

import msgspec

from tideline.timeline import refs
from tideline.timeline.survey import SendRow, Survey

from .report import Promise, Report
from .walk import Progress


class _Sent(msgspec.Struct):
    """By whom a message is."""

    sender: str = ""
    client_id: str = ""


_sent = msgspec.json.Decoder(_Sent).decode


class Sends:
    """Verifies a chunk of records at a time."""

    def __init__(self, survey: Survey, report: Report, progress: Progress) -> None:
        self._survey = survey
        self._report = report
        self._progress = progress

    async def run(self) -> None:
        """Verify everything."""
        async for chunk in self._survey.sends():
            self._progress(len(chunk))
            rows = [row for row in chunk if row is not None]
            if len(rows) < len(chunk):
                broken = len(chunk) - len(rows)
                self._report.found(Promise.READABLE, f"{broken} idempotency records can't be decoded", broken)
            self._report.count(Promise.SENDS, len(rows))
            self._report.count(Promise.READABLE, len(rows))
            await self._check(rows)

    async def _check(self, rows: list[SendRow]) -> None:
        places = [refs.place(row.conversation.encode(), row.message_seq) for row in rows]
        texts = await self._survey.store.messages(places)
        entries = await self._survey.entries_at([(row.sender, row.seq) for row in rows])
        for row, place, text, entry in zip(rows, places, texts, entries, strict=True):
            what = f"{row.client_id} of {row.sender} leads to message {row.message_seq} of {row.conversation}"
            if text is None:
                self._report.found(Promise.SENDS, f"{what}, which is missing")
                continue
            try:
                said = _sent(text)
            except msgspec.DecodeError:
                continue  # told of with the conversations
            if (said.sender, said.client_id) != (row.sender, row.client_id):
                self._report.found(Promise.SENDS, f"{what}, which is {said.client_id} of {said.sender}")
            elif entry != refs.message(place) and not await self._trimmed(row):
                self._report.found(Promise.SENDS, f"{what}, but entry {row.seq} of {row.sender} is something else")

    async def _trimmed(self, row: SendRow) -> bool:
        return row.seq < (await self._survey.store.span(row.sender)).first
