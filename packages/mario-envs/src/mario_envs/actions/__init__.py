"""Actions: from what a policy chose to a button plan."""
