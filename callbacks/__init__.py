"""Callbacks that watch a run and write down what they see; they import neither domain."""
