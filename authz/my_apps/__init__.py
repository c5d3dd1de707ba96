"""What a person sees of the apps they allowed something, and how they take it back (SMART ``management_endpoint``).

Everything here is about one ``sub``: nobody sees or ends what somebody else allowed, whoever's records it is about.
"""
