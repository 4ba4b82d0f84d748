# Varnish beside Forebay: everything is kept for a day, and is streamed while it is fetched. The words between @ are filled in
# by the run (src/harness/varnish.rs).
vcl 4.1;

backend origin {
    .host = "@HOST@";
    .port = "@PORT@";
    .max_connections = 1024;
}

sub vcl_recv {
    unset req.http.Cookie;
    unset req.http.Accept-Encoding;
    return (hash);
}

sub vcl_backend_response {
    set beresp.ttl = 1d;
    set beresp.do_stream = true;
}
