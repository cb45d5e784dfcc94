"""The real game, TrackMania Nations Forever, driven through a plugin of TMInterface 2."""
