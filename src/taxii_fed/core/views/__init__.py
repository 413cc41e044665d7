"""What a class of readers gets: verdicts closed over references, and copies where something had to be edited."""
