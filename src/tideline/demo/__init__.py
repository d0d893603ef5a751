"""A demo: simulated users whose devices come and go, so that there is something to see at once."""
