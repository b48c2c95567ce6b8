"""What only the book needs: its chapters' experiments, figures and claims, and the press.

``chapters.<chapter>`` holds what one chapter computes, draws and claims; ``data``, ``generators``,
``readers``, ``scorers`` and ``oracles`` hold what several of them share; ``results`` stores
artefacts and claims; ``press`` executes the chapters and builds the pages. All of it builds on
`bbb_core`, which knows nothing of the book.
"""
