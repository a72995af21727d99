"""The user study of Sec. 5.4: questions for people, a page that asks them, and the tally of their answers."""
