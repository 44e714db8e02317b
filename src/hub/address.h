/* Which addresses the hub's files may come from: https, and plain HTTP to this machine alone. */
#ifndef THAW_HUB_ADDRESS_H
#define THAW_HUB_ADDRESS_H

#include <curl/curl.h>
#include <thaw/status.h>

/* One part of an address, freed with curl_free(); NULL where it has none. */
char *thaw_address_part(CURLU *address, CURLUPart part);

/* May it be asked? http only for localhost, 127.0.0.0/8 and ::1 by name or number, no user and password in it. *why
 * then says what is wrong. */
bool thaw_address_allowed(CURLU *address, const char **why);
/* May a server at `from` send us there? As above, and never from https to http. */
bool thaw_address_may_follow(CURLU *from, CURLU *to, const char **why);

/* The same scheme, host and port: whoever may know the token. */
bool thaw_address_same_origin(CURLU *a, CURLU *b);
bool thaw_address_is_plain(CURLU *address);

/* Is this the address of the machine itself? What a name was resolved to, whatever it said. */
bool thaw_address_is_loopback(const struct curl_sockaddr *address);

/* Scheme, host and path, for messages: what follows the '?' may hold signatures. */
void thaw_address_text(CURLU *address, char *text, size_t size);

#endif
