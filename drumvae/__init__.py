"""Hierarchical VAEs on drum patterns, and posterior collapse: which latents carry nothing?"""
