"""What hinders a load comes down before it and goes back after it, identical.

``selection`` says what can come down, ``indexes`` and ``foreign_keys`` how it does and how it goes back, ``execution``
does it. How it goes back is a graph of steps, all of which the journal has before anything comes down.
"""
