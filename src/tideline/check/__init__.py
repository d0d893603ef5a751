"""Verifying what is stored: the invariants of timelines, over everything that an app has.

What is verified is only what a :class:`~tideline.timeline.survey.Survey` lists, so every store that has one can be.
"""

from .check import check
from .report import PROMISES, Promise, Report

__all__ = ["PROMISES", "Promise", "Report", "check"]
