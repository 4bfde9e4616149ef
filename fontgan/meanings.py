"""What the measures of letters are, in a line each, and which way is better."""

from callbacks.report_parts import Meaning

MEANINGS = {
    "coverage/letters": Meaning("letters drawn at a quarter of their fair share or more", "more"),
    "coverage/any": Meaning("letters with one accepted sample at least", "more"),
    "coverage/certain": Meaning("letters whose interval lies above that quarter", "more"),
    "coverage/accepted": Meaning("share of samples that the judge reads as a letter", "more"),
    "coverage/entropy": Meaning("evenness of the letters, entropy over ln 26", "more"),
    "coverage/kl": Meaning("KL of the letters' shares from those of the data, nats", "less"),
    "coverage/kl_corrected": Meaning("coverage/kl without its bias of few samples", "less"),
    "coverage/total_variation": Meaning("share of the letters that is misplaced", "less"),
    "coverage/hash": Meaning("what the course report's brightness hash claims", "more"),
    "styles/coverage": Meaning("cells (letter, style) that are drawn", "more"),
    "styles/within": Meaning("styles in which a drawn letter comes", "more"),
    "styles/entropy": Meaning("evenness of a letter's styles, over that of real ones", "more"),
    "neighbours/precision": Meaning("samples among real glyphs; blind to much junk", "more"),
    "neighbours/recall": Meaning("real glyphs of unseen families among the samples", "more"),
    "neighbours/density": Meaning("real glyphs around a sample", "more"),
    "neighbours/coverage": Meaning("real glyphs with a sample near", "more"),
    "neighbours/clipped_density": Meaning("density that outliers cannot raise", "more"),
    "neighbours/clipped_coverage": Meaning("samples good for it, by coverage", "more"),
    "neighbours/ties": Meaning("points with a twin at distance 0"),
    "frechet/judge": Meaning("Fréchet distance in the judge's features", "less"),
    "kernel/judge": Meaning("kernel distance in the judge's features", "less"),
    "bins/different": Meaning("bins of features in other numbers than real ones", "less"),
    "bins/divergence": Meaning("divergence of the shares of bins of features, nats", "less"),
    "vendi/judge": Meaning("effective number of different samples", "more"),
    "support/pairs": Meaning("pairs of samples that are alike"),
    "support/least": Meaning("different pictures that the pairs alike still allow"),
    "memory/nearest": Meaning("distance of samples to the nearest training glyph"),
    "memory/real": Meaning("distance of unseen real glyphs to the nearest training glyph"),
    "memory/closer": Meaning("chance to be nearer to training glyphs than unseen ones are", "less"),
    "memory/error": Meaning("a bound on the standard error of memory/closer"),
    "collapse/health": Meaning("the weakest of the shares that make the verdict", "more"),
    "collapse/health_": Meaning("end of the 95 % interval of collapse/health"),
    "loss/": Meaning("mean over the epoch"),
    "gradient/": Meaning("global norm of the gradient, geometric mean of the epoch"),
    "update/ratio": Meaning("pace of the discriminator over the generator's"),
}

HEADLINE = {
    "coverage/letters": "letters drawn, of 26",
    "coverage/accepted": "samples that are a letter",
    "coverage/entropy": "evenness of the letters",
    "styles/within": "styles within a letter",
    "neighbours/recall": "recall of unseen families",
    "frechet/judge": "distance from real glyphs (Fréchet)",
    "coverage/hash": "what the report's hash claims",
}
"""Measure -> its name beside the verdict."""
