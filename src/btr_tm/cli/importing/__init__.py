"""Reads configurations of the published TrackMania runs and writes them as experiments of ours."""
