"""Kayenta's judge, restated: what NetflixACAJudge makes of two lists of values, and of many metrics' classifications.

Source of the rules: spinnaker/kayenta, kayenta-judge and kayenta-mannwhitney (Apache-2.0). numpy and scipy would be faster, but are
tens of megabytes of image and memory for one judge; with the ranks found by bisection 240 against 240 values take about 3 ms, 1000 against
1000 about 15 ms.
"""
