import asyncio

from tests.support.scripted_server.server import main

asyncio.run(main())
