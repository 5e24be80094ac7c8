from .outcomes import import_outcomes as import_outcomes
