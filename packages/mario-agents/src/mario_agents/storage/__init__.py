"""What actors played, kept until it is learned from: whole segments, or cut into transitions."""
