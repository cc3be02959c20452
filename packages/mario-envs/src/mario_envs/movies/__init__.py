"""Movies: the buttons of every frame from a start that can be made anew, and what comes of them."""
