"""The wire contract: frames, errors, codec. Imports nothing else of ours."""
