interface Import {
  app: string
  endpoint: string
  base: string
  key: string
  name: string
}

/** What CC-Switch runs every half hour to show what a key has left (spec 11.5). It fills in address and key itself. */
const USAGE_SCRIPT = `({
  request: { url: "{{baseUrl}}/v1/usage", method: "GET", headers: { Authorization: "Bearer {{apiKey}}" } },
  extractor: function (response) {
    const left = response.remaining ?? response.quota?.remaining ?? response.balance;
    return {
      isValid: response.isValid ?? response.is_active ?? response.status === "active",
      planName: response.planName,
      remaining: left,
      unit: response.unit ?? "USD",
    };
  },
})`

/** Opens CC-Switch on this machine with a provider to take over (spec 8.15). The key travels inside the machine only. */
export function ccSwitchLink({ app, endpoint, base, key, name }: Import): string {
  const query = new URLSearchParams({
    resource: 'provider', app, name, homepage: base, endpoint, apiKey: key, configFormat: 'json',
    usageEnabled: 'true', usageScript: btoa(USAGE_SCRIPT.replace('{{baseUrl}}', base)), usageAutoInterval: '30',
  })
  return `ccswitch://v1/import?${query.toString()}`
}
