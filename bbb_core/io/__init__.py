"""Readers of users' files: regular, bounded, decoded and checked before anything is computed.

Nothing here trusts a name, a size or an encoding; whatever a file holds ends in a value or in one
`bbb_core.errors.InputError`.
"""
