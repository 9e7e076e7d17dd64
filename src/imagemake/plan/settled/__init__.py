"""What a release leaves for the next plan: which rows are settled, so that only the others are looked at again."""
