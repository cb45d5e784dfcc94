"""btr_tm: train, compare and watch Beyond-The-Rainbow agents that race in TrackMania."""

__version__ = "0.1.0"
