"""Who somebody is: users, their sign-in, and service tokens."""
