"""The ablation report: which ingredient of a sweep helps, which hurts."""
