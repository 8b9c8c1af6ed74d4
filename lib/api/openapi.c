/* openapi.c - the description of all calls, openapi.json beside this file, as part of the program. */
#include "api/api_internal.h"

__asm__(".pushsection .rodata\n"
	".global api_openapi_begin, api_openapi_end\n"
	"api_openapi_begin:\n"
	".incbin \"lib/api/openapi.json\"\n"
	"api_openapi_end:\n"
	".popsection\n");
extern const char api_openapi_begin[], api_openapi_end[];

struct sg_str api_openapi_text(void)
{
	return (struct sg_str){
	    api_openapi_begin, (size_t)(api_openapi_end - api_openapi_begin)};
}

void api_openapi(struct sg_http_request *req, void *api)
{
	if (!api_check_address(api, req))
		return;
	sg_http_add_header(req, "Cache-Control", "no-cache");
	sg_http_respond(req, 200, "application/json", api_openapi_text());
}
