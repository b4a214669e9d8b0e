"""What commands share of the terminal: the streams they print on, the signals they hear, what is drawn meanwhile.

`streams` alone prints. A screen is one way to show a training or a search as it goes: quiet, in lines, or drawn.
"""
