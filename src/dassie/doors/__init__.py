"""Where requests come in. A door authorises, converts, calls one domain function, converts back."""
