"""msticpy, unmodified, hunts in the simulated tenant under the production names.

Arguments: tenant id, client id, client secret. The proxy and the authority come from the environment.
"""

import sys

from msticpy.data import QueryProvider

tenant, client, secret = sys.argv[1:]
QUERY = "DeviceInfo | summarize Devices = dcount(DeviceId), Last = max(Timestamp)"

for environment in ("M365DGraph", "MDE"):
    provider = QueryProvider(environment)
    provider.connect(tenant_id=tenant, client_id=client, client_secret=secret)
    frame = provider.exec_query(QUERY)
    print(environment, frame.to_dict("records"))
    assert frame["Devices"].tolist() == [20], frame
    assert str(frame["Last"].dtype).startswith("datetime64"), frame.dtypes
