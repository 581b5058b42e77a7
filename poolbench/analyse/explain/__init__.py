"""What stands behind a run's figures: sizes, threads, models, memory, samples."""
