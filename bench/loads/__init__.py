"""One module per load, each with `run(job, progress) -> outcome`."""
