"""Notifications: which events are told, when, and in which words. Sending is the shell's."""

from steersman.core.notifications.lane import Batch, Lane
from steersman.core.notifications.note import Note, Words, notes, summary, words
from steersman.core.notifications.outbox import noted

__all__ = ["Batch", "Lane", "Note", "Words", "noted", "notes", "summary", "words"]
