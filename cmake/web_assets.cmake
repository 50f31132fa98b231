# web_assets.cmake -- compiles the built page (web/dist) into room serve; without it `/` shows how to build it.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(HEED_WEB_DIST ${CMAKE_SOURCE_DIR}/web/dist CACHE PATH "the built page")
set(HEED_WEB_ASSETS ${CMAKE_BINARY_DIR}/generated/web_assets.cc)
file(GLOB_RECURSE HEED_WEB_FILES CONFIGURE_DEPENDS ${HEED_WEB_DIST}/*)
add_custom_command(
  OUTPUT ${HEED_WEB_ASSETS}
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/embed_web.py ${HEED_WEB_DIST} ${HEED_WEB_ASSETS}
  DEPENDS ${HEED_WEB_FILES} ${CMAKE_SOURCE_DIR}/tools/embed_web.py
  COMMENT "embedding the page" VERBATIM)
target_sources(heed_serve PRIVATE ${HEED_WEB_ASSETS})
