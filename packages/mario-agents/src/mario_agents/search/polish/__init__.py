"""Making a movie that clears its stage better, edit by edit, without losing the clear."""
