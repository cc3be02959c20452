"""What is known of Super Mario Bros.: its memory, its stages, its ROMs."""
