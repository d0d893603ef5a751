"""A check of one app: conversations, timelines, idempotency records, one after the other."""

from tideline.timeline.contract import StoreError
from tideline.timeline.survey import Survey

from .conversations import Conversations
from .report import Promise, Report
from .sends import Sends
from .timelines import Timelines
from .walk import Progress


async def check(survey: Survey, report: Report, progress: Progress) -> None:
    """Verify all of an app's data; ``progress`` is told how many records were read since it was last told.

    Memory is bounded by what one user is a member of, and by the members of one conversation.
    """
    for part in (Conversations, Timelines, Sends):
        try:
            await part(survey, report, progress).run()
        except StoreError as error:
            report.found(Promise.READABLE, f"{error}; what follows there was not looked at")
