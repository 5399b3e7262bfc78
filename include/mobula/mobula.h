/// \file
/// \brief All of Mobula for a user's program. See README.md beside this file.
#pragma once

#include "mobula/buffer.h"
#include "mobula/context.h"
#include "mobula/errors.h"
#include "mobula/get.h"
#include "mobula/init.h"
#include "mobula/object_ref.h"
#include "mobula/options.h"
#include "mobula/put.h"
#include "mobula/remote.h"
#include "mobula/scheduling_strategy.h"
#include "mobula/serialization.h"
