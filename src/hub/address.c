#include "hub/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

char *thaw_address_part(CURLU *address, CURLUPart part)
{
    char *text = NULL;
    if (curl_url_get(address, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) == CURLUE_OK)
        return text;
    return NULL;
}

static bool part_is(CURLU *address, CURLUPart part, const char *wanted)
{
    char *text = thaw_address_part(address, part);
    const bool same = strcasecmp(text ? text : "", wanted) == 0;
    curl_free(text);
    return same;
}

bool thaw_address_is_plain(CURLU *address)
{
    return part_is(address, CURLUPART_SCHEME, "http");
}

static bool names_loopback(const char *host)
{
    struct in_addr number;
    if (inet_pton(AF_INET, host, &number) == 1)
        return ntohl(number.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

bool thaw_address_allowed(CURLU *address, const char **why)
{
    *why = "an address with a user or password in it";
    if (!part_is(address, CURLUPART_USER, "") || !part_is(address, CURLUPART_PASSWORD, ""))
        return false;
    if (part_is(address, CURLUPART_SCHEME, "https"))
        return true;
    *why = "neither https nor http";
    if (!thaw_address_is_plain(address))
        return false;
    *why = "plain http to another machine: it must be https";
    char *host = thaw_address_part(address, CURLUPART_HOST);
    const bool allowed = host && names_loopback(host);
    curl_free(host);
    return allowed;
}

bool thaw_address_may_follow(CURLU *from, CURLU *to, const char **why)
{
    *why = "from https to plain http";
    return (thaw_address_is_plain(from) || !thaw_address_is_plain(to)) && thaw_address_allowed(to, why);
}

bool thaw_address_same_origin(CURLU *a, CURLU *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    bool same = true;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && same; i++) {
        char *part = thaw_address_part(a, parts[i]);
        same = part && part_is(b, parts[i], part);
        curl_free(part);
    }
    return same;
}

bool thaw_address_is_loopback(const struct curl_sockaddr *address)
{
    if (address->family == AF_INET) {
        struct sockaddr_in number;
        memcpy(&number, &address->addr, sizeof number);
        return ntohl(number.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 number;
    if (address->family != AF_INET6 || address->addrlen < sizeof number)
        return false;
    memcpy(&number, &address->addr, sizeof number);
    return IN6_IS_ADDR_LOOPBACK(&number.sin6_addr);
}

void thaw_address_text(CURLU *address, char *text, size_t size)
{
    char *scheme = thaw_address_part(address, CURLUPART_SCHEME), *host = thaw_address_part(address, CURLUPART_HOST);
    char *path = thaw_address_part(address, CURLUPART_PATH);
    snprintf(text, size, "%s://%s%s", scheme ? scheme : "", host ? host : "", path ? path : "");
    curl_free(scheme);
    curl_free(host);
    curl_free(path);
}
