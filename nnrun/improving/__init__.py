"""The recipe, run: diagnose, change one thing, train it with the same seeds, keep it if it is better; and so on.

Commands call `verbs`. The course of it is `loop`, a generator that asks for trainings and is sent their results; what
makes one change better than none is `judging`; which advice is tried, and with what beside it, `changes`. The trainings
are those of a search (`strategy` stands between the two), so they are ordinary trials, in any number of workers, and a
killed one goes on by going through the same steps again. No rule is added here: advice is that of `insight.diagnosis`.
"""
