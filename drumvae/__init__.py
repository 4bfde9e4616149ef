"""A hierarchical VAE on drum grooves, and posterior collapse: which latent dimensions live."""
