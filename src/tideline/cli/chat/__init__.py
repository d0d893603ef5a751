"""``tideline chat``: a terminal as a device."""
