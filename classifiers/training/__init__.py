"""Trains the encoder: from labelled rows to a model folder that `classifiers.encoder` loads. Needs the extra
`train`.
"""
