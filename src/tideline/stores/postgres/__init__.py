"""The store on PostgreSQL: for any number of nodes, one database."""

from .backend import PostgresBackend, PostgresOptions, open_postgres
from .schema import migrate
from .store import PostgresStore
from .survey import postgres_surveys

__all__ = ["PostgresBackend", "PostgresOptions", "PostgresStore", "migrate", "open_postgres", "postgres_surveys"]
