"""Rules put in force: what a change would do, how it is carried out, dates that pass, holds and their approval."""
