"""The Okabe-Ito palette, which is safe for colour-blind readers."""

MATCH, NO_MATCH, INK = "#009E73", "#D55E00", "#333333"
SERIES = ("#0072B2", "#E69F00", "#CC79A7", "#56B4E9", "#999999", "#009E73", "#D55E00", "#F0E442")
