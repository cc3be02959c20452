"""Emulators: what runs a button plan, frame by frame."""
