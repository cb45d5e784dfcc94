"""The learner and the policy: everything that holds or changes network weights."""
