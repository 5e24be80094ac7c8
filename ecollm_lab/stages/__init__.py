"""The stages before generation, one small room each, and the message they build."""
