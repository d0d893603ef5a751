"""The lab: models of message synchronisation side by side, each running for real, measured alike."""
