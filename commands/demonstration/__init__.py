"""What `namjai demo` shows: invented people, a year of their cases, their papers. Nobody in it exists.

`people`, `texts`, `year`, `story` and `errands` make a plan that depends on a seed and a day alone; `pictures` draws;
`sending` is the tablets and `office` the persons who carry the plan out; `clock` tells them which day of it is.
"""
